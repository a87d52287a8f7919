; twin of tsf-floor-under: 1 % more is false: the average at the smallest token
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const c Real)
(declare-const low Real)
(declare-const v Real)
(declare-const y Real)
(assert (>= v 0.0))
(assert (>= c low))
(assert (<= y (* low v)))
; the witness
(assert (= c 2.0))
(assert (= low 2.0))
(assert (= v 1.0))
(assert (= y 1.0))
; the conclusion, negated
(assert (not (>= (* (+ y (* (- 1.0) c v)) (+ y (* (- 1.0) c v))) (* (/ 101.0 100.0) (* (+ (* (- 1.0) y) (* low v)) (+ (* (- 1.0) y) (* low v)))))))
(check-sat)
(get-model)
