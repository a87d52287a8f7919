; loop-cubic: where (t - t^3)/2 >= s, g is at least t + s on [t, 1 + s], far end included
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const s Real)
(declare-const t Real)
(declare-const u Real)
(assert (>= t 0.0))
(assert (<= t 1.0))
(assert (>= s 0.0))
(assert (>= u t))
(assert (<= u (+ 1.0 s)))
(assert (>= (* 3.0 (* t t)) 1.0))
(assert (>= (+ (* (/ 1.0 2.0) t) (* (- (/ 1.0 2.0)) (* t t t))) s))
; the conclusion, negated
(assert (not (>= (+ (* (- (/ 1.0 2.0)) (* u u u)) (* (/ 3.0 2.0) u)) (+ s t))))
(check-sat)
