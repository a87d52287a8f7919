; var-wrap: with junk 1/100 of the dummy, an error above -0.117 keeps a partner's row above 3/8
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const J Real)
(declare-const R Real)
(declare-const e Real)
(declare-const val Real)
(assert (>= R 1.0))
(assert (>= J 0.0))
(assert (<= J (/ 1.0 100.0)))
(assert (>= (* 2.0 val) (- (/ 657.0 1024.0))))
(assert (> e (- (/ 117.0 1000.0))))
; the conclusion, negated
(assert (not (> (+ R (* J val) (* e (+ 1.0 J R))) (+ (/ 3.0 8.0) (* (/ 3.0 8.0) J) (* (/ 3.0 8.0) R)))))
(check-sat)
