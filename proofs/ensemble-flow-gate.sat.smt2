; twin of ensemble-flow-gate: f'(a) p q is of second order too
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const b Real)
(declare-const f Real)
(declare-const p Real)
(declare-const q Real)
(declare-const r Real)
(declare-const slope Real)
; the witness
(assert (= b 0.0))
(assert (= f 0.0))
(assert (= p 1.0))
(assert (= q 1.0))
(assert (= r 0.0))
(assert (= slope 1.0))
; the conclusion, negated
(assert (not (= (+ (* (+ b q) (+ f r (* p slope))) (* (- 1.0) b f) (* (- 1.0) f q) (* (- 1.0) b p slope)) (* r (+ b q)))))
(check-sat)
(get-model)
