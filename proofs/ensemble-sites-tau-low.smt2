; ensemble-sites: tau >= -beta/2
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const a Real)
(declare-const al Real)
(declare-const be Real)
(declare-const s Real)
(assert (> s 0.0))
(assert (= (* (* s s) (+ 1.0 be (* 2.0 al))) 1.0))
(assert (>= be (* al al)))
(assert (<= al a))
(assert (>= al (* (- 1.0) a)))
(assert (< a 1.0))
; the conclusion, negated
(assert (not (>= (+ (- 1.0) al s) (* (- (/ 1.0 2.0)) be))))
(check-sat)
