; ov-to-hamming: a coordinate adds 1 + 2uv to the distance
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const u Real)
(declare-const v Real)
(assert (= (* u (+ (- 1.0) u)) 0.0))
(assert (= (* v (+ (- 1.0) v)) 0.0))
; the conclusion, negated
(assert (not (= (+ 1.0 (* 2.0 u) (* (- 2.0) u (+ 1.0 (* (- 1.0) v)))) (+ 1.0 (* 2.0 u v)))))
(check-sat)
