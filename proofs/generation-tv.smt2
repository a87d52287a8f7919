; generation-tv: one of two copies parts with at most the sum of the two probabilities
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const kept Real)
(declare-const other Real)
(assert (>= kept 0.0))
(assert (<= kept 1.0))
(assert (>= other 0.0))
(assert (<= other 1.0))
; the conclusion, negated
(assert (not (<= (+ 1.0 (* (- 1.0) kept other)) (+ 2.0 (* (- 1.0) kept) (* (- 1.0) other)))))
(check-sat)
