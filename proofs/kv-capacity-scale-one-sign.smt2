; kv-capacity-scale: no negative entry and one >= 1: the answers differ by more than E - 1
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const Di Real)
(declare-const E Real)
(declare-const total Real)
(assert (> E 1.0))
(assert (>= Di 1.0))
(assert (>= total Di))
; the conclusion, negated
(assert (not (>= (+ total (* Di (+ (- 1.0) E))) E)))
(check-sat)
