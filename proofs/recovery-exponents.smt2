; recovery: c + 2 x + 2 y <= (c + 2 x)(c + 2 y)/c: roundings of two exponents as one product
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const c Real)
(declare-const x Real)
(declare-const y Real)
(assert (> c 0.0))
(assert (>= x 0.0))
(assert (>= y 0.0))
; the conclusion, negated
(assert (not (<= (* c (+ c (* 2.0 x) (* 2.0 y))) (* (+ c (* 2.0 x)) (+ c (* 2.0 y))))))
(check-sat)
