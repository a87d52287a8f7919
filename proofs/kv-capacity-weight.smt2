; kv-capacity: the other rows together weigh at most tau
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const E Real)
(declare-const N Real)
(declare-const S Real)
(declare-const tau Real)
(assert (>= N 2.0))
(assert (> tau 0.0))
(assert (< tau 1.0))
(assert (>= E 0.0))
(assert (<= (* E (+ 1.0 (* (- 1.0) tau)) (+ (- 1.0) N)) tau))
(assert (>= S 0.0))
(assert (<= S (* E (+ (- 1.0) N))))
; the conclusion, negated
(assert (not (<= S (* tau (+ 1.0 S)))))
(check-sat)
