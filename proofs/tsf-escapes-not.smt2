; tsf-escapes: lambda >= high/low on positive tokens: no output is positive
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const high Real)
(declare-const lam Real)
(declare-const low Real)
(assert (> low 0.0))
(assert (<= low high))
(assert (>= (* lam low) high))
; the conclusion, negated
(assert (not (<= (+ high (* (- 1.0) lam low)) 0.0)))
(check-sat)
