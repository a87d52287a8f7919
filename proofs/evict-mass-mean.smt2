; evict-mass: gamma >= 0: the mean under the parabola grows with the mean square
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const alpha Real)
(declare-const gam Real)
(declare-const mean Real)
(declare-const s2 Real)
(declare-const square Real)
(assert (>= gam 0.0))
(assert (<= square s2))
(assert (<= mean (+ alpha (* gam square))))
; the conclusion, negated
(assert (not (<= mean (+ alpha (* gam s2)))))
(check-sat)
