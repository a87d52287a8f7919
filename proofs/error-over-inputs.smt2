; error-over-inputs: the bet on q against a share p gains nothing where the true share r is at least p
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const p Real)
(declare-const q Real)
(declare-const r Real)
(assert (> q 0.0))
(assert (< q p))
(assert (< p 1.0))
(assert (>= r p))
(assert (<= r 1.0))
; the conclusion, negated
(assert (not (<= (+ (* p (+ 1.0 (* (- 1.0) q)) (+ 1.0 (* (- 1.0) r))) (* q r (+ 1.0 (* (- 1.0) p)))) (* p (+ 1.0 (* (- 1.0) p))))))
(check-sat)
