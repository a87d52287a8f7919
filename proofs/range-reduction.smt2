; range-reduction: g = e^d, g (1 - d) <= 1, 1 + t <= (1 + eps)(1 - d): (1 + t) g <= 1 + eps
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const d Real)
(declare-const eps Real)
(declare-const g Real)
(declare-const t Real)
(assert (>= d 0.0))
(assert (< d 1.0))
(assert (> g 0.0))
(assert (<= (* g (+ 1.0 (* (- 1.0) d))) 1.0))
(assert (>= t 0.0))
(assert (>= eps 0.0))
(assert (<= (+ 1.0 t) (* (+ 1.0 eps) (+ 1.0 (* (- 1.0) d)))))
; the conclusion, negated
(assert (not (<= (* g (+ 1.0 t)) (+ 1.0 eps))))
(check-sat)
