; twin of ensemble-run: attained where both point the same way
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const exact Real)
(declare-const far Real)
(declare-const given Real)
(declare-const near Real)
(declare-const run Real)
(assert (<= (+ given (* (- 1.0) run)) far))
(assert (>= (+ given (* (- 1.0) run)) (* (- 1.0) far)))
(assert (<= (+ run (* (- 1.0) exact)) near))
(assert (>= (+ run (* (- 1.0) exact)) (* (- 1.0) near)))
; the witness
(assert (= exact 0.0))
(assert (= far 1.0))
(assert (= given 2.0))
(assert (= near 1.0))
(assert (= run 1.0))
; the conclusion, negated
(assert (not (<= (+ given (* (- 1.0) exact)) (+ (* (/ 99.0 100.0) far) (* (/ 99.0 100.0) near)))))
(check-sat)
(get-model)
