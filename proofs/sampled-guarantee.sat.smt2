; twin of sampled-guarantee: all of it is lost where the mean is 0 and an error of 1 is drawn
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const bet Real)
(declare-const error Real)
(declare-const mean Real)
(assert (>= bet 0.0))
(assert (>= mean 0.0))
(assert (>= error 0.0))
(assert (<= bet 1.0))
(assert (<= mean 1.0))
(assert (<= error 1.0))
; the witness
(assert (= bet 1.0))
(assert (= error 1.0))
(assert (= mean 0.0))
; the conclusion, negated
(assert (not (>= (+ 1.0 (* bet (+ mean (* (- 1.0) error)))) (/ 1.0 100.0))))
(check-sat)
(get-model)
