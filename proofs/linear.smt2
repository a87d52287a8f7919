; linear: two terms: |w1 x1 + w2 x2| <= (|w1| + |w2|) eta
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const eta Real)
(declare-const w1 Real)
(declare-const w2 Real)
(declare-const x1 Real)
(declare-const x2 Real)
(assert (<= x1 eta))
(assert (>= x1 (* (- 1.0) eta)))
(assert (<= x2 eta))
(assert (>= x2 (* (- 1.0) eta)))
; the conclusion, negated
(assert (not (<= (+ (* w1 x1) (* w2 x2)) (* eta (+ (ite (>= w1 0.0) w1 (- w1)) (ite (>= w2 0.0) w2 (- w2)))))))
(check-sat)
