; twin of kv-capacity-code: 1 % less is false: one place differs
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const D Real)
(declare-const k Real)
(declare-const x Real)
(assert (>= D 1.0))
(assert (>= k 1.0))
(assert (= (* D x) (+ D (* (- 2.0) k))))
; the witness
(assert (= D 4.0))
(assert (= k 1.0))
(assert (= x (/ 1.0 2.0)))
; the conclusion, negated
(assert (not (<= (+ 198.0 (* (- 99.0) D) (* 100.0 D x)) 0.0)))
(check-sat)
(get-model)
