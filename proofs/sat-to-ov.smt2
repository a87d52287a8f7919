; sat-to-ov: bits u, v of who satisfies a clause: the product is 1 iff neither does, else 0
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const u Real)
(declare-const v Real)
(assert (= (* u (+ (- 1.0) u)) 0.0))
(assert (= (* v (+ (- 1.0) v)) 0.0))
; the conclusion, negated
(assert (not (and (= (* (+ 1.0 (* (- 1.0) u)) (+ 1.0 (* (- 1.0) v)) (+ u v)) 0.0) (>= (* (+ 1.0 (* (- 1.0) u)) (+ 1.0 (* (- 1.0) v))) (+ 1.0 (* (- 1.0) u) (* (- 1.0) v))))))
(check-sat)
