; twin of evaluation-error-round: 1 % less is false: a tie
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const m Real)
(declare-const u Real)
(declare-const z Real)
(assert (> u 0.0))
(assert (<= (* (+ z (* (- 1.0) m u)) (+ z (* (- 1.0) m u))) (* (+ z (* (- 1.0) u) (* (- 1.0) m u)) (+ z (* (- 1.0) u) (* (- 1.0) m u)))))
(assert (<= (* (+ z (* (- 1.0) m u)) (+ z (* (- 1.0) m u))) (* (+ u z (* (- 1.0) m u)) (+ u z (* (- 1.0) m u)))))
; the witness
(assert (= m 0.0))
(assert (= u 1.0))
(assert (= z (/ 1.0 2.0)))
; the conclusion, negated
(assert (not (<= (* 4.0 (* (+ z (* (- 1.0) m u)) (+ z (* (- 1.0) m u)))) (* (/ 99.0 100.0) (* u u)))))
(check-sat)
(get-model)
