; tsf-floor: an average c >= low and v >= 0: a target below v low is missed by the gap at least
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const c Real)
(declare-const low Real)
(declare-const v Real)
(declare-const y Real)
(assert (>= v 0.0))
(assert (>= c low))
(assert (<= y (* low v)))
; the conclusion, negated
(assert (not (>= (* (+ y (* (- 1.0) c v)) (+ y (* (- 1.0) c v))) (* (+ (* (- 1.0) y) (* low v)) (+ (* (- 1.0) y) (* low v))))))
(check-sat)
