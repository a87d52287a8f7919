; regime-exponent: d gamma / d b = cosh s - p/(b s) = sinh(s)/s on the curve, C = cosh s, Sh = sinh s
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const C Real)
(declare-const P Real)
(declare-const Sh Real)
(declare-const s Real)
(declare-const slope Real)
(assert (> s 0.0))
(assert (= P (+ (* (- 1.0) Sh) (* C s))))
(assert (= (* s slope) (+ (* (- 1.0) P) (* C s))))
; the conclusion, negated
(assert (not (= (* s slope) Sh)))
(check-sat)
