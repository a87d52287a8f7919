; twin of tsf-floor-over: 1 % more is false: the average at the largest token
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const c Real)
(declare-const high Real)
(declare-const v Real)
(declare-const y Real)
(assert (>= v 0.0))
(assert (<= c high))
(assert (>= y (* high v)))
; the witness
(assert (= c 2.0))
(assert (= high 2.0))
(assert (= v 1.0))
(assert (= y 3.0))
; the conclusion, negated
(assert (not (>= (* (+ y (* (- 1.0) c v)) (+ y (* (- 1.0) c v))) (* (/ 101.0 100.0) (* (+ y (* (- 1.0) high v)) (+ y (* (- 1.0) high v)))))))
(check-sat)
(get-model)
