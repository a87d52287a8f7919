; looped-fixed-points: u in [0.75, 1.25]: g is within 13/128 of 1
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const u Real)
(assert (>= (* 10.0 u) (/ 15.0 2.0)))
(assert (<= (* 10.0 u) (/ 25.0 2.0)))
; the conclusion, negated
(assert (not (and (>= (+ (* (- (/ 1.0 2.0)) (* u u u)) (* (/ 3.0 2.0) u)) (/ 115.0 128.0)) (<= (+ (* (- (/ 1.0 2.0)) (* u u u)) (* (/ 3.0 2.0) u)) 1.0))))
(check-sat)
