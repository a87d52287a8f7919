; twin of looped-fixed-points-range: 1 % less is false at u = 1.25
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
(assert (not (>= (+ (* (- (/ 1.0 2.0)) (* u u u)) (* (/ 3.0 2.0) u)) (/ 11513.0 12800.0))))
(check-sat)
(get-model)
