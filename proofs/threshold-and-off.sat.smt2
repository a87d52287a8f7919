; twin of threshold-and-off: B = hi - m is too small: the form at its top counts as the bit
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const B Real)
(declare-const S Real)
(declare-const hi Real)
(declare-const m Real)
(assert (<= S hi))
(assert (>= B (+ 1.0 hi (* (- 1.0) m))))
; the witness
(assert (= B 2.0))
(assert (= S 2.0))
(assert (= hi 2.0))
(assert (= m 1.0))
; the conclusion, negated
(assert (not (<= S (+ (- 2.0) B m))))
(check-sat)
(get-model)
