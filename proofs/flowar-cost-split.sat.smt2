; twin of flowar-cost-split: 1 % less is false
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const N Real)
(declare-const T Real)
(declare-const d_v Real)
(declare-const r Real)
(assert (>= N 1.0))
(assert (>= r 1.0))
(assert (>= d_v 1.0))
(assert (>= T 1.0))
; the witness
(assert (= N 1.0))
(assert (= T 1.0))
(assert (= d_v 1.0))
(assert (= r 1.0))
; the conclusion, negated
(assert (not (= (+ (* N r (+ 2.0 d_v)) (* N r (+ 3.0 d_v))) (* (/ 99.0 100.0) N r (+ 5.0 (* 2.0 d_v))))))
(check-sat)
(get-model)
