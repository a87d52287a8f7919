; tsf-escapes: 0 < low <= high, low/high < lambda < high/low: both ends of the reach differ in sign
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const high Real)
(declare-const lam Real)
(declare-const low Real)
(assert (> low 0.0))
(assert (<= low high))
(assert (> (* high lam) low))
(assert (< (* lam low) high))
; the conclusion, negated
(assert (not (and (> (+ high (* (- 1.0) lam low)) 0.0) (< (+ low (* (- 1.0) high lam)) 0.0))))
(check-sat)
