; flowar-resample: weights a, b of both signs: |a x + b y| <= (a - b) t for |x|, |y| <= t, a >= 0 >= b
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const a Real)
(declare-const b Real)
(declare-const k1 Real)
(declare-const q1 Real)
(declare-const q2 Real)
(assert (>= a 0.0))
(assert (<= b 0.0))
(assert (<= q1 k1))
(assert (>= q1 (* (- 1.0) k1)))
(assert (<= q2 k1))
(assert (>= q2 (* (- 1.0) k1)))
; the conclusion, negated
(assert (not (<= (+ (* a q1) (* b q2)) (* k1 (+ a (* (- 1.0) b))))))
(check-sat)
