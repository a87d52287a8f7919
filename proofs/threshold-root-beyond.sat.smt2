; twin of threshold-root-beyond: a^2 in place of a|a| is wrong for a below 0
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const x Real)
(declare-const y Real)
(assert (< x y))
; the witness
(assert (= x (- 2.0)))
(assert (= y 1.0))
; the conclusion, negated
(assert (not (< (* x x) (* y (ite (>= y 0.0) y (- y))))))
(check-sat)
(get-model)
