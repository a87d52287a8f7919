; looped-fixed-points: u in [0.75, 1.25]: |g'| is at most 27/32
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const u Real)
(assert (>= (* 10.0 u) (/ 15.0 2.0)))
(assert (<= (* 10.0 u) (/ 25.0 2.0)))
; the conclusion, negated
(assert (not (<= (* (/ 3.0 2.0) (ite (>= (+ (- 1.0) (* u u)) 0.0) (+ (- 1.0) (* u u)) (- (+ (- 1.0) (* u u))))) (/ 27.0 32.0))))
(check-sat)
