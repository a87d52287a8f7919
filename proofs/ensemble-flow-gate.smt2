; ensemble-flow: f(a + p)(b + q) is f(a) b, its linear part, r (b + q) and f'(a) p q
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const b Real)
(declare-const f Real)
(declare-const p Real)
(declare-const q Real)
(declare-const r Real)
(declare-const slope Real)
; the conclusion, negated
(assert (not (= (+ (* (+ b q) (+ f r (* p slope))) (* (- 1.0) b f) (* (- 1.0) f q) (* (- 1.0) b p slope)) (+ (* r (+ b q)) (* p q slope)))))
(check-sat)
