; layernorm-lipschitz: w = 1 + y^2: (c - w) + sqrt((c-1)(c-w)w) <= c (1 + sqrt c)/2
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const c Real)
(declare-const k Real)
(declare-const q Real)
(declare-const w Real)
(assert (>= w 1.0))
(assert (<= w c))
(assert (>= q 0.0))
(assert (= (* q q) (* w (+ (- 1.0) c) (+ c (* (- 1.0) w)))))
(assert (>= k 1.0))
(assert (= (* k k) c))
; the conclusion, negated
(assert (not (<= (+ c q (* (- 1.0) w)) (* (/ 1.0 2.0) c (+ 1.0 k)))))
(check-sat)
