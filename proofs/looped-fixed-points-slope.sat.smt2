; twin of looped-fixed-points-slope: 1 % less is false at u = 1.25
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const u Real)
(assert (>= (* 10.0 u) (/ 15.0 2.0)))
(assert (<= (* 10.0 u) (/ 25.0 2.0)))
; the witness
(assert (= u (/ 5.0 4.0)))
; the conclusion, negated
(assert (not (<= (* (/ 3.0 2.0) (ite (>= (+ (- 1.0) (* u u)) 0.0) (+ (- 1.0) (* u u)) (- (+ (- 1.0) (* u u))))) (/ 2673.0 3200.0))))
(check-sat)
(get-model)
