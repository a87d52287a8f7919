; regime-exponent: implicit derivative: x = ln(gamma/b), a = gamma/b, x slope = 1 + a: slope > 0
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const a Real)
(declare-const slope Real)
(declare-const x Real)
(assert (> x 0.0))
(assert (> a 1.0))
(assert (= (* slope x) (+ 1.0 a)))
; the conclusion, negated
(assert (not (> slope 0.0)))
(check-sat)
