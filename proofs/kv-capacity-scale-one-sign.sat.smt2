; twin of kv-capacity-scale-one-sign: 1 % more is false: a single entry of one step
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const Di Real)
(declare-const E Real)
(declare-const total Real)
(assert (> E 1.0))
(assert (>= Di 1.0))
(assert (>= total Di))
; the witness
(assert (= Di 1.0))
(assert (= E 2.0))
(assert (= total 1.0))
; the conclusion, negated
(assert (not (>= (+ total (* Di (+ (- 1.0) E))) (* (/ 101.0 100.0) E))))
(check-sat)
(get-model)
