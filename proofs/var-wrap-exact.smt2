; var-wrap: four bicubic taps that read one block return its value
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const x Real)
(declare-const y0 Real)
(declare-const y1 Real)
(declare-const y2 Real)
(declare-const y3 Real)
(assert (= y0 x))
(assert (= y1 x))
(assert (= y2 x))
(assert (= y3 x))
; the conclusion, negated
(assert (not (= (+ (* (- (/ 27.0 256.0)) y0) (* (- (/ 9.0 256.0)) y3) (* (/ 67.0 256.0) y2) (* (/ 225.0 256.0) y1)) x)))
(check-sat)
