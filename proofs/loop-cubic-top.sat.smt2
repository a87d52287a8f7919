; twin of loop-cubic-top: 1 % less is false at u = 1
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const u Real)
(assert (>= u 0.0))
; the witness
(assert (= u 1.0))
; the conclusion, negated
(assert (not (<= (+ (* (- (/ 1.0 2.0)) (* u u u)) (* (/ 3.0 2.0) u)) (/ 99.0 100.0))))
(check-sat)
(get-model)
