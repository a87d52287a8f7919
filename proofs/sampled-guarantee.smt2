; sampled-guarantee: a bet of at most the whole capital never loses more than it
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const bet Real)
(declare-const error Real)
(declare-const mean Real)
(assert (>= bet 0.0))
(assert (>= mean 0.0))
(assert (>= error 0.0))
(assert (<= bet 1.0))
(assert (<= mean 1.0))
(assert (<= error 1.0))
; the conclusion, negated
(assert (not (>= (+ 1.0 (* bet (+ mean (* (- 1.0) error)))) 0.0)))
(check-sat)
