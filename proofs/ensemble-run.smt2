; ensemble-run: |given - exact| <= |given - run| + |run - exact|
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const exact Real)
(declare-const far Real)
(declare-const given Real)
(declare-const near Real)
(declare-const run Real)
(assert (<= (+ given (* (- 1.0) run)) far))
(assert (>= (+ given (* (- 1.0) run)) (* (- 1.0) far)))
(assert (<= (+ run (* (- 1.0) exact)) near))
(assert (>= (+ run (* (- 1.0) exact)) (* (- 1.0) near)))
; the conclusion, negated
(assert (not (and (<= (+ given (* (- 1.0) exact)) (+ far near)) (>= (+ given (* (- 1.0) exact)) (+ (* (- 1.0) far) (* (- 1.0) near))))))
(check-sat)
