; twin of linear: signs that agree attain it
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const eta Real)
(declare-const w1 Real)
(declare-const w2 Real)
(declare-const x1 Real)
(declare-const x2 Real)
(assert (<= x1 eta))
(assert (>= x1 (* (- 1.0) eta)))
(assert (<= x2 eta))
(assert (>= x2 (* (- 1.0) eta)))
; the witness
(assert (= eta 1.0))
(assert (= w1 1.0))
(assert (= w2 (- 1.0)))
(assert (= x1 1.0))
(assert (= x2 (- 1.0)))
; the conclusion, negated
(assert (not (<= (+ (* w1 x1) (* w2 x2)) (* eta (+ (* (/ 99.0 100.0) (ite (>= w1 0.0) w1 (- w1))) (* (/ 99.0 100.0) (ite (>= w2 0.0) w2 (- w2))))))))
(check-sat)
(get-model)
