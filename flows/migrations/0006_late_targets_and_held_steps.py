import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('connectors', '0002_cursors'),
        ('flows', '0005_drafts'),
    ]

    operations = [
        migrations.AddField(
            model_name='deployment',
            name='held_step',
            field=models.CharField(blank=True, db_default='', default='', help_text='The step that met the cause; empty if the version cannot be run at all.', max_length=60),
        ),
        migrations.CreateModel(
            name='LateTarget',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('target', models.CharField(help_text='Object and external or record id.', max_length=400)),
                ('confirm_at', models.DateTimeField(db_index=True)),
                ('connection', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='late_targets', to='connectors.connection')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('connection', 'target'), name='one_note_per_late_target')],
            },
        ),
    ]
