; ensemble-flow: a product's remainder is at most the product of both deviations
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const df Real)
(declare-const dx Real)
(declare-const factor Real)
(declare-const most_f Real)
(declare-const most_x Real)
(declare-const x Real)
(assert (<= dx most_x))
(assert (>= dx (* (- 1.0) most_x)))
(assert (<= df most_f))
(assert (>= df (* (- 1.0) most_f)))
; the conclusion, negated
(assert (not (and (<= (+ (* (+ df factor) (+ dx x)) (* (- 1.0) df x) (* (- 1.0) dx factor) (* (- 1.0) factor x)) (* most_f most_x)) (>= (+ (* (+ df factor) (+ dx x)) (* (- 1.0) df x) (* (- 1.0) dx factor) (* (- 1.0) factor x)) (* (- 1.0) most_f most_x)))))
(check-sat)
