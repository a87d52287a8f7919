; evaluation-error: u the place: a multiple m u as near to z as its neighbours is within u/2
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const m Real)
(declare-const u Real)
(declare-const z Real)
(assert (> u 0.0))
(assert (<= (* (+ z (* (- 1.0) m u)) (+ z (* (- 1.0) m u))) (* (+ z (* (- 1.0) u) (* (- 1.0) m u)) (+ z (* (- 1.0) u) (* (- 1.0) m u)))))
(assert (<= (* (+ z (* (- 1.0) m u)) (+ z (* (- 1.0) m u))) (* (+ u z (* (- 1.0) m u)) (+ u z (* (- 1.0) m u)))))
; the conclusion, negated
(assert (not (<= (* 4.0 (* (+ z (* (- 1.0) m u)) (+ z (* (- 1.0) m u)))) (* u u))))
(check-sat)
