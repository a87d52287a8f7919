; threshold-and: without the bit the form cannot reach m + B
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const B Real)
(declare-const S Real)
(declare-const hi Real)
(declare-const m Real)
(assert (<= S hi))
(assert (>= B (+ 1.0 hi (* (- 1.0) m))))
; the conclusion, negated
(assert (not (<= S (+ (- 1.0) B m))))
(check-sat)
