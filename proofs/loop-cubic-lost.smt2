; loop-cubic: 1/(3 sqrt 3) < s < sqrt 3: g(x - s) < x for every x > 0, so no fixed point there
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const s Real)
(declare-const x Real)
(assert (> x 0.0))
(assert (> s 0.0))
(assert (> (* 27.0 (* s s)) 1.0))
(assert (< (* s s) 3.0))
; the conclusion, negated
(assert (not (< (+ (* (- (/ 3.0 2.0)) s) (* (- (/ 1.0 2.0)) (* (+ x (* (- 1.0) s)) (+ x (* (- 1.0) s)) (+ x (* (- 1.0) s)))) (* (/ 3.0 2.0) x)) x)))
(check-sat)
