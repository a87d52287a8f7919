; twin of threshold-root-reached: m^2 in place of m|m| is wrong for m below 0
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const x Real)
(declare-const y Real)
(assert (>= x y))
; the witness
(assert (= x 0.0))
(assert (= y (- 1.0)))
; the conclusion, negated
(assert (not (>= (* x (ite (>= x 0.0) x (- x))) (* y y))))
(check-sat)
(get-model)
