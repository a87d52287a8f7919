; layernorm-range: y centred, q the squares of the others, y^2 <= (c-1) q: y^2 <= (c-1) s^2
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const c Real)
(declare-const e Real)
(declare-const q Real)
(declare-const s Real)
(declare-const y Real)
(assert (>= q 0.0))
(assert (>= e 0.0))
(assert (>= c 2.0))
(assert (<= (* y y) (* q (+ (- 1.0) c))))
(assert (= (* c (* s s)) (+ q (* y y) (* c e))))
; the conclusion, negated
(assert (not (<= (* y y) (* (* s s) (+ (- 1.0) c)))))
(check-sat)
