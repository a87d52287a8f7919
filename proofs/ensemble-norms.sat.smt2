; twin of ensemble-norms: not by root/(c (1 - theta)), for quantiles below 1
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const c Real)
(declare-const root Real)
(declare-const size Real)
(declare-const theta Real)
(assert (> c theta))
(assert (>= theta 0.0))
(assert (>= size 0.0))
(assert (>= root (* size (+ c (* (- 1.0) theta)))))
; the witness
(assert (= c (/ 1.0 2.0)))
(assert (= root 1.0))
(assert (= size 4.0))
(assert (= theta (/ 1.0 4.0)))
; the conclusion, negated
(assert (not (<= (* c size (+ 1.0 (* (- 1.0) theta))) root)))
(check-sat)
(get-model)
