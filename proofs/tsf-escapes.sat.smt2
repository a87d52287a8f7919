; twin of tsf-escapes: a lambda 1 % larger may be past high/low, where the head has one sign
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const high Real)
(declare-const lam Real)
(declare-const low Real)
(assert (> low 0.0))
(assert (<= low high))
(assert (> (* high lam) low))
(assert (< (* lam low) high))
; the witness
(assert (= high 2.0))
(assert (= lam (/ 199.0 100.0)))
(assert (= low 1.0))
; the conclusion, negated
(assert (not (> (+ high (* (- (/ 101.0 100.0)) lam low)) 0.0)))
(check-sat)
(get-model)
