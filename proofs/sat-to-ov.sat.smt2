; twin of sat-to-ov: 1 % less misses a clause that nobody satisfies
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const u Real)
(declare-const v Real)
(assert (= (* u (+ (- 1.0) u)) 0.0))
(assert (= (* v (+ (- 1.0) v)) 0.0))
; the witness
(assert (= u 0.0))
(assert (= v 0.0))
; the conclusion, negated
(assert (not (>= (* (/ 99.0 100.0) (+ 1.0 (* (- 1.0) u)) (+ 1.0 (* (- 1.0) v))) (+ 1.0 (* (- 1.0) u) (* (- 1.0) v)))))
(check-sat)
(get-model)
