; twin of var-wrap-exact: 1 % less is false: the taps sum to 1
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const x Real)
(declare-const y0 Real)
(declare-const y1 Real)
(declare-const y2 Real)
(declare-const y3 Real)
(assert (= y0 x))
(assert (= y1 x))
(assert (= y2 x))
(assert (= y3 x))
; the witness
(assert (= x 1.0))
(assert (= y0 1.0))
(assert (= y1 1.0))
(assert (= y2 1.0))
(assert (= y3 1.0))
; the conclusion, negated
(assert (not (= (+ (* (- (/ 27.0 256.0)) y0) (* (- (/ 9.0 256.0)) y3) (* (/ 67.0 256.0) y2) (* (/ 225.0 256.0) y1)) (* (/ 99.0 100.0) x))))
(check-sat)
(get-model)
