; tsf-two-heads: (w+ + c) x - (w- + c) x = (w+ - w-) x, token by token
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const c Real)
(declare-const wm Real)
(declare-const wp Real)
(declare-const x Real)
(assert (>= wp 0.0))
(assert (>= wm 0.0))
(assert (> c 0.0))
; the conclusion, negated
(assert (not (= (+ (* x (+ c wp)) (* (- 1.0) x (+ c wm))) (* x (+ wp (* (- 1.0) wm))))))
(check-sat)
