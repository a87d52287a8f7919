; twin of tsf-escapes-not: a lambda 1 % smaller has positive outputs
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const high Real)
(declare-const lam Real)
(declare-const low Real)
(assert (> low 0.0))
(assert (<= low high))
(assert (>= (* lam low) high))
; the witness
(assert (= high 2.0))
(assert (= lam 2.0))
(assert (= low 1.0))
; the conclusion, negated
(assert (not (<= (+ high (* (- (/ 99.0 100.0)) lam low)) 0.0)))
(check-sat)
(get-model)
