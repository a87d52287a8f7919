; twin of evict-mass-mean: 1 % less is false at equality
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const alpha Real)
(declare-const gam Real)
(declare-const mean Real)
(declare-const s2 Real)
(declare-const square Real)
(assert (>= gam 0.0))
(assert (<= square s2))
(assert (<= mean (+ alpha (* gam square))))
; the witness
(assert (= alpha 0.0))
(assert (= gam 1.0))
(assert (= mean 1.0))
(assert (= s2 1.0))
(assert (= square 1.0))
; the conclusion, negated
(assert (not (<= mean (+ alpha (* (/ 99.0 100.0) gam s2)))))
(check-sat)
(get-model)
