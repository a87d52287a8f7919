; threshold-ratio: every m above q has its gate at 0
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const a Real)
(declare-const b Real)
(declare-const m Real)
(declare-const q Real)
(assert (>= b 1.0))
(assert (<= a (+ (- 1.0) (* b (+ 1.0 q)))))
(assert (>= m (+ 1.0 q)))
; the conclusion, negated
(assert (not (<= (+ a (* (- 1.0) b m)) (- 1.0))))
(check-sat)
