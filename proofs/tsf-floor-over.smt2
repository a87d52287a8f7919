; tsf-floor: an average c <= high and v >= 0: a target above v high is missed by the gap at least
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const c Real)
(declare-const high Real)
(declare-const v Real)
(declare-const y Real)
(assert (>= v 0.0))
(assert (<= c high))
(assert (>= y (* high v)))
; the conclusion, negated
(assert (not (>= (* (+ y (* (- 1.0) c v)) (+ y (* (- 1.0) c v))) (* (+ y (* (- 1.0) high v)) (+ y (* (- 1.0) high v))))))
(check-sat)
